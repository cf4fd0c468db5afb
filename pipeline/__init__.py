"""What runs on the operator's machine: config, graph, runners, report and command line."""
