-- Returns the epoch of the session.
return epoch
