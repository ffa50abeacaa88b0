#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Validates documents: validate.py FOLDER-WITH-SCHEMAS NAME FILE. A .jsonl file has a document in each line."""
import json
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    sys.exit(77)

folder, name, path = sys.argv[1:4]
with open(f"{folder}/{name}.json", encoding="utf-8") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
with open(path, encoding="utf-8") as file:
    documents = [json.loads(line) for line in file] if path.endswith(".jsonl") else [json.load(file)]
failures = 0
for document in documents:
    for error in validator.iter_errors(document):
        print(f"{name}: {error.json_path}: {error.message}", file=sys.stderr)
        failures += 1
sys.exit(1 if failures or not documents else 0)
