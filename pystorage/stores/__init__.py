"""Stores: storages that keep data themselves, in memory or in files, each a module of its own.

What two stores share stands in modules with an underscore; a store never imports another one.
"""
