"""Owns the models that write answers: settings, interfaces to their servers, requests, failures, replies."""

from rag.models.chat import ChatModel
from rag.models.failures import ContextTooLong
from rag.models.interface import Document, Quoted
from rag.models.spec import PROVIDERS, ModelSpec, model_spec, model_specs
from rag.models.stream import STOPPED, End

__all__ = [
    "PROVIDERS",
    "STOPPED",
    "ChatModel",
    "ContextTooLong",
    "Document",
    "End",
    "ModelSpec",
    "Quoted",
    "model_spec",
    "model_specs",
]
