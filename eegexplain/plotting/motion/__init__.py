"""Maps that move: frames of a scene, and the files that hold them."""
