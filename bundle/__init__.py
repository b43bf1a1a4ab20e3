"""What is carried through the airlock, and how it is made: wheels, image, pipelines, manifests, and their sums."""
