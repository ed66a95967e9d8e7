"""The same pseudo-random numbers on every interpreter: xorshift32 (Marsaglia 2003)."""


class Numbers:
    def __init__(self, seed):
        self._state = seed or 1

    def below(self, n):
        """An integer 0 .. n - 1, for n up to 2**24."""
        x = self._state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self._state = x
        return (x >> 8) * n >> 24

    def bytes(self, count):
        return bytes([self.below(256) for _ in range(count)])

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
