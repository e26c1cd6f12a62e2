from tests.report.conftest import chromium

__all__ = ["chromium"]
