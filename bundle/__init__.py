"""Make the bundle, the folder that is carried through the airlock: wheels, image, pipelines, manifests, checksums."""
