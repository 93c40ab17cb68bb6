"""Arrays → figures. numpy and plotly only; every helper here is held by a snapshot."""
