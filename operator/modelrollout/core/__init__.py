"""The decision core: frozen facts in, a frozen decision out. No client, no clock, no log."""
