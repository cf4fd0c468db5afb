"""What runs beside the traffic: model server, release, gateway, client."""
