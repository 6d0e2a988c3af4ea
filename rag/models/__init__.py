"""Owns the models that write answers, all through OpenAI's chat protocol: settings, requests, failures, replies."""

from rag.models.chat import REQUESTS, ChatModel
from rag.models.failures import ContextTooLong
from rag.models.spec import PROVIDERS, ModelSpec, model_specs
from rag.models.stream import End

__all__ = ["PROVIDERS", "REQUESTS", "ChatModel", "ContextTooLong", "End", "ModelSpec", "model_specs"]
