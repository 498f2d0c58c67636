"""From events to interactions: which article an event belongs to, who counts, how long each reader read what."""
