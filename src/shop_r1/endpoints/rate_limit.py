"""When a request may start: request and token rates, and a pause when an endpoint asks for one."""

import asyncio


# aiolimiter does not fit: it starts a minute's requests in one burst, takes no request of more tokens than
# its rate, and cannot be paused for a Retry-After. Around it, all of this would still be ours.
class RateLimiter:
    """Spaces requests evenly, so that in no minute more start than are allowed.

    A request delays the next one by the time in which the token rate allows its tokens. Idle time earns no
    burst. Times are the event loop's.
    """

    def __init__(self, requests_per_minute: float, tokens_per_minute: float) -> None:
        """Take the rates; 0 is no limit."""
        self._request_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._next_s = self._paused_until_s = 0.0

    async def acquire(self, tokens: int) -> None:
        """Return when a request of so many tokens may start."""
        now = asyncio.get_running_loop().time
        start = max(now(), self._next_s)
        self._next_s = start + max(self._request_s, tokens * self._token_s)
        while (left := max(start, self._paused_until_s) - now()) > 0:
            await asyncio.sleep(left)

    def pause(self, seconds: float) -> None:
        """Start no further request for so long."""
        self._paused_until_s = max(self._paused_until_s, asyncio.get_running_loop().time() + seconds)
