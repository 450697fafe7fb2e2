"""What is checked before an issue goes out: the findings, their waivers, and checks that need the network."""
