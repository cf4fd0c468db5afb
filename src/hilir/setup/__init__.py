"""Makes what hilir needs outside its packages: the TensorFlow.js converter, the page's npm packages, a newer glibc."""
