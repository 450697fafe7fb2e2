"""What came back: bounces, complaints and automatic replies, read from messages. It sees no database."""
