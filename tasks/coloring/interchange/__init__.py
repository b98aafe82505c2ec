"""What runs read and give away: grids, given colorings to start from, exports of what was found."""
