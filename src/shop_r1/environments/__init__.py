"""The built-in store as an environment of other libraries: gymnasium, BrowserGym, verifiers."""
