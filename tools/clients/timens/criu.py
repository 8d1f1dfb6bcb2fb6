# SPDX-License-Identifier: GPL-2.0-only
"""What CRIU finds in the kernel. What it does with it goes through several guests, in migration.py."""

from guest import ClientTest


class CriuCheck(ClientTest):
    def test_criu_finds_what_it_needs(self):
        self.assertIn("Looks good", self.release.run("criu", "check").stdout)

    def test_criu_finds_time_namespaces(self):
        self.assertIn("timens is supported", self.release.run("criu", "check", "--feature", "timens").stdout)
