"""The networks and the mathematics. They import torch only, and use no files, no connections and no logging."""
