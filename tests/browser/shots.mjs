// Pictures of the page for the report, when they are asked for.
