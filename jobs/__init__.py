"""The vocabulary everybody shares: runs, exits, events, traces, actions, the wire. No I/O."""
