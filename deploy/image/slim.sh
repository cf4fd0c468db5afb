#!/bin/sh
# Removes from an environment what is not needed to run: slim.sh ENVIRONMENT [PACKAGE…] also removes the packages.
set -eu
environment="$1"; shift
site="$(echo "$environment"/lib/python3*/site-packages)"

# For building extensions of TensorFlow: headers, and a parser of C++.
rm -rf "$site/tensorflow/include"
/opt/tools/bin/uv pip uninstall --quiet --python "$environment/bin/python" libclang "$@"
# (numpy.testing imports from numpy's tests.)
for package in pandas pyarrow scipy sklearn; do
  find "$site/$package" -type d -name tests -prune -exec rm -rf '{}' + 2>/dev/null || true
done
# Symbols that only a debugger reads: a fifth of the libraries. What auditwheel has edited (*.libs) does not bear it,
# and NVIDIA's libraries are left as they came.
find "$site" -type f -name '*.so*' -size +1M ! -path '*.libs/*' ! -path '*/nvidia/*' -exec strip --strip-unneeded '{}' +
