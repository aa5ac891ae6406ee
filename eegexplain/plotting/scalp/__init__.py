"""Maps on the scalp: where electrodes are, what lies between them, the head around them."""
