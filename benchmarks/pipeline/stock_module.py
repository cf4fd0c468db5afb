"""User code as TFX's own taxi template writes it; the features, the network and the number of steps are ours."""

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

from models.taxi import features
from models.taxi.model import Hyperparameters, build_model
from models.taxi.preprocessing import preprocessing_fn as taxi_preprocessing_fn

BATCH = 256


def preprocessing_fn(inputs):
    return taxi_preprocessing_fn(inputs)


def _input_fn(pattern, data_accessor, transform, batch_size):
    return data_accessor.tf_dataset_factory(
        pattern,
        tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=features.LABEL),
        transform.transformed_metadata.schema,
    ).repeat()


def run_fn(fn_args: tfx.components.FnArgs):
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = _input_fn(fn_args.train_files, fn_args.data_accessor, transform, BATCH)
    evaluation = _input_fn(fn_args.eval_files, fn_args.data_accessor, transform, BATCH)
    model = build_model(Hyperparameters())
    logs = keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="epoch")
    epochs = fn_args.custom_config["epochs"]
    model.fit(
        train,
        epochs=epochs,
        steps_per_epoch=fn_args.train_steps // epochs,
        validation_data=evaluation,
        validation_steps=fn_args.eval_steps,
        callbacks=[logs],
        verbose=0,
    )
    model.tft_layer = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(serialized):
        spec = transform.raw_feature_spec()
        spec.pop("tips")
        transformed = model.tft_layer(tf.io.parse_example(serialized, spec))
        return {"outputs": model(transformed)["probability"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(serialized):
        return model.tft_layer(tf.io.parse_example(serialized, transform.raw_feature_spec()))

    model.save(
        fn_args.serving_model_dir,
        save_format="tf",
        signatures={"serving_default": serve, "transform_features": transform_features},
    )
