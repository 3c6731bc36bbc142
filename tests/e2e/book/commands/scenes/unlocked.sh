# The store is unlocked.
tokenctl unlock >/dev/null
