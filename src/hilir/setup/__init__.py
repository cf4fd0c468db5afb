"""Makes what hilir runs outside its own environment: the TensorFlow.js converter, the page's npm packages, a newer glibc."""
