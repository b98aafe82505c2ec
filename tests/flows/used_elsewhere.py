"""What a stranger makes of an exported model: imports nothing of this project."""

import json
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

folder, data = sys.argv[1:]
about = json.loads(Path(folder, "model.json").read_text())
data = safetensors.torch.load_file(data)
inputs, labels = data["inputs"], data["labels"]


class Network(nn.Sequential):
    """small-cnn, written down again."""

    def __init__(self, channels, num_classes):
        layers = []
        for width in (16, 32, 32, 64):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        super().__init__(
            *layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )


network = Network(about["input"]["channels"], len(about["classes"])).eval()
network.load_state_dict(safetensors.torch.load_file(f"{folder}/model.safetensors"))
mean, deviation = (torch.tensor(about["input"][n])[:, None, None] for n in ("mean", "deviation"))
program = torch.export.load(f"{folder}/model.pt2").module()
with torch.no_grad():
    by_weights = network((inputs / 255 - mean) / deviation).softmax(1)
    by_program = program(inputs.float())
right = [float((p.argmax(1) == labels).double().mean()) for p in (by_weights, by_program)]
found = {
    "accuracies": right,
    "difference": float((by_weights - by_program).abs().max()),
    "ours": [name for name in sys.modules if name.split(".")[0] in ("tasks", "flows", "gpu")],
}
sys.stdout.write(json.dumps(found))
