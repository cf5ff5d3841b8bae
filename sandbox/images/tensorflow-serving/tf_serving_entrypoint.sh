#!/bin/bash
# As in TF Serving's own image, without exec: the server is a child of this shell.
tensorflow_model_server --port=8500 --rest_api_port=8501 --model_name=${MODEL_NAME} --model_base_path=${MODEL_BASE_PATH}/${MODEL_NAME} "$@"
