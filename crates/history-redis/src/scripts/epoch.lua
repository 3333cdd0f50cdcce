-- Answers the session's epoch.
return epoch
