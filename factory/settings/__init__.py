"""Settings models for `[Factory]`, queues and monitor sections; plugins keep their own settings."""
