"""What has been, for whoever asks: readings, events, alarms, results and contacts of the last weeks in one file.

The outbox is what must not be lost; the archive is a copy to look at. Nobody waits for it.
"""
