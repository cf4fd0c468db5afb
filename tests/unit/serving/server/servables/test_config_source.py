"""What is logged about a model configuration that cannot be applied."""

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.servables.config_source import ConfigSource


def fail(source, before_failed=lambda: None):
    with pytest.raises(ServingConfigError) as error:
        source.read_if_changed(())
    before_failed()
    source.failed(error.value)


def test_a_file_that_is_replaced_between_the_reading_and_the_message_is_logged_once_each(tmp_path, caplog):
    file = tmp_path / "models.config"
    file.write_text("nonsense {")
    source = ConfigSource(ServeOptions(model_config_file=str(file), model_config_file_poll_wait_seconds=1))
    fail(source)
    fail(source, lambda: file.write_text("other nonsense {"))
    fail(source)
    fail(source)
    assert [message.partition('named "')[2].partition('"')[0] for message in caplog.messages] == ["nonsense", "other"]


def test_the_same_message_about_another_text_is_logged_again(tmp_path, caplog):
    file = tmp_path / "models.config"
    source = ConfigSource(ServeOptions(model_config_file=str(file), model_config_file_poll_wait_seconds=1))
    for text in ("nonsense {", "nonsense { }"):
        file.write_text(text)
        fail(source)
        fail(source)
    assert len(caplog.messages) == 2
    assert len(set(caplog.messages)) == 1


@pytest.mark.parametrize("model_root", ["", "wide"])
def test_models_that_were_released_elsewhere_are_served_from_the_projects_own_root(tmp_path, model_root):
    """Of a folder that was moved or copied, or that servers in containers see at another path."""
    root = tmp_path / "wide" / "models"
    for folder in (root / "a" / "1", root / "b" / "1", tmp_path / "old" / "a", tmp_path / "old" / "c"):
        folder.mkdir(parents=True)
    paths = {"a": tmp_path / "old" / "a", "b": "/models/b", "c": tmp_path / "old" / "c", "d": root / "d"}
    (root / "models.config").write_text(
        "model_config_list {"
        + "".join(f'config {{ name: "{name}" base_path: "{path}" }}' for name, path in paths.items())
        + "}"
    )
    options = ServeOptions(root=str(root), model_root=str(tmp_path / model_root) if model_root else "")
    read = {entry.name: entry.base_path for entry in ConfigSource(options).read().model_config_list.config}
    # What is not in the root is left as it is: the fence refuses it, with its path.
    assert read == {"a": f"{root}/a", "b": f"{root}/b", "c": f"{tmp_path}/old/c", "d": f"{root}/d"}


def test_a_wider_fence_leaves_the_paths_that_it_allows(tmp_path):
    for folder in (tmp_path / "models" / "a" / "1", tmp_path / "old" / "a" / "1"):
        folder.mkdir(parents=True)
    (tmp_path / "models" / "models.config").write_text(
        f'model_config_list {{ config {{ name: "a" base_path: "{tmp_path}/old/a" }} }}'
    )
    options = ServeOptions(root=str(tmp_path / "models"), model_root=str(tmp_path))
    (entry,) = ConfigSource(options).read().model_config_list.config
    assert entry.base_path == f"{tmp_path}/old/a"
