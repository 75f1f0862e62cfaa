"""How runs become verdicts on the report's conclusions."""
