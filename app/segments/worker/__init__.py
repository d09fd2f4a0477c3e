"""What keeps `segment_members` and tells who joined and left: run by `kehu worker`, by as many as there are.

All customers are cut into lanes; whoever decides about a lane's customers holds its row, reads the definitions after that, and everything
else after these. So who decides last has seen most, and the events of a membership are in its order.
"""
