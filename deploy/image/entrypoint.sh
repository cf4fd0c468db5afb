#!/bin/sh
# Dataflow starts its workers with options only (--id=… --control_endpoint=…) and expects Beam's boot program;
# Vertex AI and everybody else give a command.
case "${1:-}" in
  -*) exec /opt/apache/beam/boot "$@" ;;
  *) exec "$@" ;;
esac
