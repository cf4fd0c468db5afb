"""The arrows between files go one way."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    graph = grimp.build_graph("hilir", include_external_packages=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


# Contracts of import-linter keep these from importing each other in a circle.
@pytest.mark.parametrize("package", ["hilir.pipeline", "hilir.components", "hilir.serving"])
def test_no_file_imports_itself_by_way_of_others(imports: dict[str, set[str]], package: str) -> None:
    inside = {module: found for module, found in imports.items() if module.startswith(package)}
    assert len(inside) > 50
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        pytest.fail(f"{package}: {' <- '.join(error.args[1])}")
