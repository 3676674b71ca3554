"""What a fold says to people: timelines, reasons, completeness, changes of knowledge, drawings."""
