print("neo")
