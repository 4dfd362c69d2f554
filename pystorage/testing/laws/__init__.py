"""The laws that storages keep, one concept a file.

``StorageConformance`` is made of all of them; each is a class of tests, picked by declared capability.
"""
