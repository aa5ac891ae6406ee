"""freqIG 0.1.8 as a peer, without its optional dependencies.

``pip install --no-deps --target FOLDER freqig==0.1.8``, and FOLDER in the variable FREQIG_FOLDER. The package calls
itself `scripts` and imports onnx, which attribution does not need: an empty stand-in takes its place.
"""

import importlib
import importlib.machinery
import os
import sys
import types


def freqig_attribute():
    """Return freqIG's `attribute`, or None where it is not installed."""
    folder = os.environ.get("FREQIG_FOLDER")
    if not folder or not os.path.exists(os.path.join(folder, "scripts", "freqIG.py")):
        return None
    onnx = types.ModuleType("onnx")
    onnx.__spec__ = importlib.machinery.ModuleSpec("onnx", None)  # torch looks for it
    onnx.ModelProto = type("ModelProto", (), {})
    sys.modules.setdefault("onnx", onnx)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("scripts.freqIG").attribute
    finally:
        sys.path.remove(folder)
