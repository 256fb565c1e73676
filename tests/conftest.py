"""Makes the checkout importable as `ansible_collections.pixels.sandbox`, for the tests and for what they start.

Ansible's own loader does it, over the link in `.collections`; below ansible-test that has happened already.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

COLLECTIONS = Path(__file__).resolve().parents[1] / ".collections"

if COLLECTIONS.is_dir() and AnsibleCollectionConfig.collection_finder is None:
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    sys.path.insert(0, str(COLLECTIONS))
    _AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()
