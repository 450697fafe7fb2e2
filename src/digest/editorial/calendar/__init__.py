"""When an issue goes out: local times, regular slots, the schedule, and approval by a second person."""
