"""Serverless entry points around the engine, one package a cloud."""
