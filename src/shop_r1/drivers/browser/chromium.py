"""The Chromium that shoppers use: where it is, and how it is started."""

import os
import shutil
from pathlib import Path

from shop_r1.errors import ConfigError

VARIABLE = "SHOP_R1_CHROMIUM"
"""The environment variable that names another Chromium."""
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_FEATURES_OFF = (
    # Playwright's own list, which ours takes the place of: Chromium goes by the last one.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    # What Chromium would ask of the network by itself.
    "AutofillServerCommunication",
    "LoadingPredictor",
    "Prerender2",
    "Translate",
    # A page's frames, of any origin, are in its own process, so that all that they send is followed.
    "IsolateOrigins",
    "site-per-process",
)
FLAGS = (
    # What Chromium would ask of the network by itself.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--dns-prefetch-disable",
    f"--disable-features={','.join(_FEATURES_OFF)}",
    "--disable-site-isolation-trials",
    # Ways round a proxy.
    "--disable-quic",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Pages look alike on every machine.
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
INSTALL = (
    "install Debian's package `chromium`, or run `python -m playwright install chromium`, or set "
    f"{VARIABLE} to the program"
)


def find_chromium(playwrights: str | None = None) -> Path:
    """Return the program: the one that `SHOP_R1_CHROMIUM` names, Playwright's own, else the system's.

    `playwrights` is where Playwright's own would be.

    Raises:
        ConfigError: there is none; the message says how to get one.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ConfigError(f"{VARIABLE}={named!r} is no file; expected the program of Chromium")
        return Path(named)
    found = (playwrights, *map(shutil.which, _NAMES), _MAC)
    path = next((Path(each) for each in found if each and Path(each).is_file()), None)
    if path is None:
        raise ConfigError(f"no Chromium was found; {INSTALL}")
    return path


def needs_no_sandbox() -> bool:
    """Return whether Chromium's own sandbox cannot be used, as for root in a container."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
