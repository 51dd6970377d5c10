"""What else a user could pick, timed in the same run where it can do the program at all; none is required."""

from benchmarks.peers.base import Peer, available

__all__ = ["Peer", "available"]
