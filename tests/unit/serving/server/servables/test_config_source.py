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
