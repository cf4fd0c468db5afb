"""What a message advises to write can be read."""

import pytest
import yaml

from hilir.components.yaml_text import show_key
from hilir.pipeline.config.layers import read_setting

NAMES = [
    "age", "Order Total", "Preis (EUR)", "m²", "a:b", "vibration [mm/s]", "x, y", "{z}", "# no", "it's", 'say "x"', "",
    "no", "1", "null", "a: b", "- a", "*x", "&x", "!x", "%", "@", "`", "tab\there", "?", "back\\slash", "~", "2_0",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_mapping_with_the_name_is_read_back(name):
    written = f"{{{show_key(name)}: [NEW]}}"
    assert yaml.safe_load(written) == {name: ["NEW"]}
    assert read_setting(f"validation.accept={written}").values == {"validation": {"accept": {name: ["NEW"]}}}
    assert "'" not in written, "the message has it in single quotes"


def test_a_simple_name_stays_as_it_is():
    assert [show_key(name) for name in NAMES[:5]] == NAMES[:5]
