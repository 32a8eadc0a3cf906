"""What maintainers and CI run: advisories, licences, bills of materials, releases."""
